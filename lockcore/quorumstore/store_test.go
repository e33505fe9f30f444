package quorumstore

import (
	"context"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// urlOf is the URL of a store on the servers.
func urlOf(servers []*redistest.Server) string {
	addrs := make([]string, len(servers))
	for i, s := range servers {
		addrs[i] = s.Addr
	}
	return "redlock://" + strings.Join(addrs, ",")
}

func TestConformance(t *testing.T) {
	for _, n := range []int{3, 5} {
		t.Run(map[int]string{3: "three", 5: "five"}[n], func(t *testing.T) {
			servers := redistest.StartN(t, n)
			locktest.TestStore(t, harness(servers))
		})
	}
}

// harness is a store without order and without fencing: what the package says
// that it does not promise.
func harness(servers []*redistest.Server) locktest.Harness {
	return locktest.Harness{
		Unordered: true,
		Unfenced:  true,
		Open: func(t testing.TB, namespace string) lockcore.Store {
			// All servers are well, and one that is slow because the machine is busy is no
			// matter of conformance.
			s, err := Open(context.Background(), urlOf(servers)+"?node_timeout=1m", namespace)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
}
