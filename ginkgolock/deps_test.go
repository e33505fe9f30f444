package ginkgolock_test

// The suites under testdata use it, where go mod tidy does not look.
import _ "github.com/onsi/gomega"
