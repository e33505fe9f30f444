package main

import (
	"net"
	"sync"
)

// limitConnections accepts from l as long as fewer than most connections are open.
// Others wait in the queue of the system, where they cost nothing here.
func limitConnections(l net.Listener, most int) net.Listener {
	return &limited{Listener: l, room: make(chan struct{}, most), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	room   chan struct{} // has one entry for each open connection
	once   sync.Once
	closed chan struct{} // ends an Accept that waits for room: closing the listener does not reach it
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	// net/http may close a connection twice, and it made room once.
	return &counted{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
