//go:build unix && !linux

package main

import "syscall"

func dieWithParent(*syscall.SysProcAttr) {}
func adoptOrphans()                      {}
func reap(int)                           {}
func (*process) outside() string         { return "" }
