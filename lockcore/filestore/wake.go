package filestore

import (
	"encoding/binary"
	"hash/fnv"
	"net"
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

// A receiver is where a process gets its wake-ups.
type receiver interface {
	// Read waits for wake-ups and returns some whole ones.
	Read(b []byte) (int, error)
	// Close ends a Read under way.
	Close() error
	// reachable reports whether the file by which others find the receiver is still
	// there.
	reachable() bool
}

// listen opens the receiver of a process: a named pipe where there are such.
func listen(at *folders, id string) (receiver, error) {
	if e, err := listenFIFO(at, id+fifoSuffix); err == nil {
		return e, nil
	}
	return listenUDP(at, id+portSuffix)
}

// call sends wake-ups to a process. It does not wait and does not say whether it
// worked: who is gone needs none, and who is missed is called again.
func call(at *folders, id string, wakeUps []byte) {
	const atOnce = 4096 // what a pipe takes whole or not at all
	for len(wakeUps) > 0 {
		n := min(len(wakeUps), atOnce)
		if !callFIFO(at, id+fifoSuffix, wakeUps[:n]) {
			callUDP(at, id+portSuffix, wakeUps[:n])
		}
		wakeUps = wakeUps[n:]
	}
}

// udpReceiver is a port on the loopback interface, and the file with its number.
type udpReceiver struct {
	*net.UDPConn
	file file
}

// listenUDP opens a port on the loopback interface and writes down its number.
// Anybody on the machine may send to it: a wake-up that nobody meant costs the
// waiter one question.
func listenUDP(at *folders, name string) (receiver, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	port := c.LocalAddr().(*net.UDPAddr).Port
	f, _, err := at.openIn(at.procs, name, forCreation)
	if err == nil {
		err = f.writeAt([]byte(strconv.Itoa(port)), 0)
		if err != nil {
			f.close()
		}
	}
	if err != nil {
		_ = c.Close() // the error that matters is the other one
		return nil, err
	}
	return &udpReceiver{c, f}, nil
}

func (e *udpReceiver) Close() error {
	e.file.close()
	return e.UDPConn.Close()
}

func (e *udpReceiver) reachable() bool {
	i, err := e.file.info()
	return err == nil && i.links > 0
}

// callUDP has no socket of its own to send from: it is used where pipes are
// missing, and opening one costs less than a wake-up.
func callUDP(at *folders, name string, wakeUps []byte) {
	f, _, err := at.openIn(at.procs, name, forTest)
	if err != nil {
		return
	}
	var text [5]byte
	n, err := f.readAt(text[:], 0)
	f.close()
	if err != nil {
		return
	}
	port, err := strconv.ParseUint(string(text[:n]), 10, 16)
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
