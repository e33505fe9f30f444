// Package listeners finds out whether anybody else in this program listens to a
// signal, which package os/signal does not tell.
package listeners

// Answer says who listens.
type Answer int

// The answers.
const (
	Unknown Answer = iota
	None
	Some
)
