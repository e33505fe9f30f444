package filestore

import (
	"encoding/binary"
	"hash/fnv"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// A wake-up is the hash of a ticket, eight bytes. It is a hint: the waiter asks,
// and the state decides. The files that say where to send one stand beside the
// file of the process.
const (
	wakeSize   = 8
	fifoSuffix = ".fifo" // a named pipe
	portSuffix = ".port" // the number of a UDP port on the loopback interface
)

func ticketHash(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}

func appendWakeUp(b []byte, id string) []byte {
	return binary.LittleEndian.AppendUint64(b, ticketHash(id))
}

// An ear is where a process hears its wake-ups.
type ear interface {
	// Read waits for wake-ups and returns some whole ones.
	Read(b []byte) (int, error)
	// Close ends a Read under way.
	Close() error
}

// listen opens the ear of a process: a named pipe where there are such.
func listen(l *location, id string) (ear, error) {
	base := filepath.Join(l.procs(), id)
	if e, err := listenFIFO(base+fifoSuffix, l); err == nil {
		return e, nil
	}
	return listenUDP(base+portSuffix, l)
}

// call sends wake-ups to a process. It does not wait and does not say whether it
// worked: who is gone needs none, and who is missed is called again.
func call(l *location, id string, wakeUps []byte) {
	base := filepath.Join(l.procs(), id)
	const atOnce = 4096 // what a pipe takes whole or not at all
	for len(wakeUps) > 0 {
		n := min(len(wakeUps), atOnce)
		if !callFIFO(base+fifoSuffix, wakeUps[:n]) {
			callUDP(base+portSuffix, wakeUps[:n])
		}
		wakeUps = wakeUps[n:]
	}
}

// listenUDP opens a port on the loopback interface and writes down its number.
// Anybody on the machine may send to it: a wake-up that nobody meant costs the
// waiter one question.
func listenUDP(path string, l *location) (ear, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	port := c.LocalAddr().(*net.UDPAddr).Port
	f, err := openFile(path, forCreation, l.filePerm)
	if err == nil {
		err = l.share(f)
		if err == nil {
			err = f.writeAt([]byte(strconv.Itoa(port)), 0)
		}
		f.close()
	}
	if err != nil {
		_ = c.Close() // the error that matters is the other one
		return nil, err
	}
	return c, nil
}

// callUDP has no socket of its own to send from: it is used where pipes are
// missing, and opening one costs less than a wake-up.
func callUDP(path string, wakeUps []byte) {
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	port, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return
	}
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		return
	}
	_, _ = c.Write(wakeUps) // UDP never waits for the receiver
	_ = c.Close()
}
