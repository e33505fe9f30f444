// Package eventlog is the record of what happens to locks: the [Event], one
// line of JSON each, its [Writer] and its [Reader]. Reports are derived from it
// alone.
//
// A process writes a file of its own into a directory that all processes of a
// run share, named by RTEST_EVENTS. Writing never fails a test and never makes
// it wait: what cannot be written is dropped and counted. A file may end in the
// middle of a line, hold lines of a newer format and be mixed with others; the
// reader takes what it can and counts the rest.
//
// The format is stable: fields are added, never renamed, and a change that an
// old reader would misunderstand raises [Version].
package eventlog
