package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// What people do is the same on Redis as on files, and on a quorum but for the line.
func TestPeopleOnServers(t *testing.T) {
	var namespaces atomic.Int64
	on := func(scheme string, files []string, servers ...*redistest.Server) testscript.Params {
		var addrs []string
		for _, s := range servers {
			addrs = append(addrs, s.Addr)
		}
		return scripting(func(*testscript.Env) string {
			return fmt.Sprintf("%s://%s?namespace=n%d", scheme, strings.Join(addrs, ","), namespaces.Add(1))
		}, testscript.Params{Files: files, Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"restart-empty": func(*testscript.TestScript, bool, []string) { servers[0].Restart() },
		}})
	}
	t.Run("redis", func(t *testing.T) {
		testscript.Run(t, on("redis", []string{"testdata/people.txtar", "testdata/people_line.txtar", "testdata/people_names.txtar"}, redistest.Start(t)))
	})
	t.Run("redlock", func(t *testing.T) {
		testscript.Run(t, on("redlock", []string{"testdata/people.txtar"}, redistest.StartN(t, 3)...))
	})
	t.Run("redlock alone", func(t *testing.T) {
		testscript.Run(t, on("redlock", []string{"testdata/quorum/people_front.txtar"}, redistest.StartN(t, 3)...))
	})
}
