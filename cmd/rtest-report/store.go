package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

// storeFlags say which store a subcommand looks at.
type storeFlags struct {
	url, namespace string
	timeout        time.Duration
}

func (s *storeFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.url, "url", "", "`URL` of the store (default $RTEST_URL, else file:)")
	f.StringVar(&s.namespace, "namespace", "", "`NAME` of the namespace (default $RTEST_NAMESPACE, else default)")
	f.DurationVar(&s.timeout, "timeout", 10*time.Second, "how long to wait for the store")
}

// open opens the store.
func (s *storeFlags) open(ctx context.Context) (lockcore.Store, error) {
	address := s.url
	if address == "" {
		// Only where it counts: what stands in the variable is no trouble to whoever names a store.
		if err := environ.Check("RTEST_URL"); err != nil {
			return nil, err
		}
		address = environ.Getenv("RTEST_URL")
	}
	if strings.HasPrefix(address, "mem:") {
		return nil, errors.New("mem: is the memory of one process, which nobody can look into; name the store that the tests share with --url or RTEST_URL")
	}
	if s.namespace != "" {
		if address == "" { // the default of storeurl, which a parameter needs in front of it
			address = "file:"
		}
		sep := "?"
		if strings.Contains(address, "?") {
			sep = "&"
		}
		address += sep + "namespace=" + url.QueryEscape(s.namespace)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return storeurl.Open(ctx, address)
}

// with opens the store for f. What the store has to say about the settings of its
// server goes to stderr, after everything else.
func (s *storeFlags) with(ctx context.Context, stderr io.Writer, f func(context.Context, lockcore.Store) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	store, err := s.open(ctx)
	if err != nil {
		return err
	}
	err = f(ctx, store)
	if c, ok := store.(interface {
		Check(context.Context) ([]string, error)
	}); ok && err == nil {
		warnings, _ := c.Check(ctx) // a server may hide its settings
		for _, w := range warnings {
			fmt.Fprintln(stderr, "rtest-report: warning:", w)
		}
	}
	if e := store.Close(); err == nil {
		err = e
	}
	return err
}
