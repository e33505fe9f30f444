//go:build race && unix

package ginkgolock_test

func init() { buildFlags = append(buildFlags, "-race") }
