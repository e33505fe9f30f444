package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// A sayer tells on standard error what happens beside the command's own output.
type sayer struct {
	mu   sync.Mutex
	w    io.Writer
	json bool
}

// line tells one thing: kind is a word for a program, text is for a person.
func (s *sayer) line(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.json {
		fmt.Fprintln(s.w, "rtest-report:", text)
		return
	}
	b, err := json.Marshal(struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
	}{kind, text})
	if err == nil {
		fmt.Fprintf(s.w, "%s\n", b)
	}
}
