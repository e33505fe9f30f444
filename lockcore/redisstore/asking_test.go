package redisstore

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/redis/go-redis/v9"
)

// TestWhoAsksForTheMasterAsksForAll has two commands begin when it is time to ask a
// Sentinel: the second one does not go to the old master while the first one waits for
// the answer.
func TestWhoAsksForTheMasterAsksForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mayAnswer := make(chan struct{})
		s := newSentinels("lab", []string{"127.0.0.1:26379"}, nil, func(addr string) *redis.SentinelClient {
			return redis.NewSentinelClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true, Dialer: func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				go answerOnce(server, mayAnswer)
				return client, nil
			}})
		})
		old, peer := net.Pipe()
		defer peer.Close()
		s.addr = "old:6379"
		s.keep(old, s.addr)
		began := make(chan bool, 2)
		for range 2 {
			go func() {
				s.look(t.Context())
				began <- true
			}()
		}
		synctest.Wait()
		if len(began) > 0 {
			t.Error("a command went on before anybody knew who is the master")
		}
		close(mayAnswer)
		synctest.Wait()
		if len(began) < 2 || s.addr != "new:6380" {
			t.Errorf("%d of 2 went on, to %s", len(began), s.addr)
		}
		s.look(t.Context()) // soon after, nobody is asked again: the Sentinel answers once
		s.close()
	})
}

// answerOnce is a Sentinel that names a master once, and knows no others.
func answerOnce(c net.Conn, mayAnswer chan struct{}) {
	defer c.Close()
	named := false
	for r := bufio.NewReader(c); ; {
		var n int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
			return
		}
		args := make([]string, n)
		for i := range args {
			var size int
			if _, err := fmt.Fscanf(r, "$%d\r\n%s\r\n", &size, &args[i]); err != nil {
				return
			}
		}
		reply := "-ERR unknown command\r\n"
		switch {
		case n > 1 && args[1] == "get-master-addr-by-name":
			<-mayAnswer
			if named {
				return
			}
			named = true
			reply = "*2\r\n$3\r\nnew\r\n$4\r\n6380\r\n"
		case n > 1 && args[1] == "sentinels":
			reply = "*0\r\n"
		}
		if _, err := io.WriteString(c, reply); err != nil {
			return
		}
	}
}
