package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore/inventory"
	"github.com/resourcelocker/resourcelocker/report/live"
)

// serveFlags are those of serve.
type serveFlags struct {
	store  storeFlags
	listen string
	hosts  []string
}

func newServeCmd() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve a page that shows who has what now, until when, and who is next",
		Long: `Serve a page that shows who has what now, since when and until when, who waits, at
which place, and when they are expected to be served: what ls tells, for browsers. It
refreshes itself, and works without JavaScript. With an inventory (RTEST_POOLS) it
shows what is free, too. /api/v1/snapshot is the same as JSON, /metrics in the
OpenMetrics format, /healthz tells whether the server runs.

However many look, the store is asked once a second at most, and not at all while
nobody looks.

It answers on this machine only, unless --listen says otherwise, and to requests that
name it by an address, by localhost, or by a --host. It ends with ^C or TERM.

Exit codes: 0 ended by a signal; 2 wrong usage, an address that is in use, or a store
that cannot be reached at the start. A store that goes away later is told on the page.`,
		Example: `  rtest-report serve
  rtest-report serve --url redis://lab:6379/0 --listen :7070 --host lab.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.serve(cmd) },
	}
	f.store.bind(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:7070", "`ADDRESS` to listen on")
	fl.StringArrayVar(&f.hosts, "host", nil, "`NAME` by which browsers call this server, beside its addresses and localhost; repeatable")
	return cmd
}

func (f *serveFlags) serve(cmd *cobra.Command) error {
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	store, err := f.store.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	page, err := live.New(store, live.Options{Items: inventoryItems, Timeout: f.store.timeout, Hosts: f.hosts})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		page.Close()
		return fmt.Errorf("--listen %s: %w", f.listen, err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "rtest-report: %s is on http://%s/\n", printable(store.String()), l.Addr())
	return serveUntil(ctx, l, page, log.New(cmd.ErrOrStderr(), "rtest-report: ", 0))
}

// connectionsMost bounds the connections at a time: more wait in the queue of the
// system until others end.
const connectionsMost = 4096

// serveUntil serves until ctx ends, and then ends what is going on.
func serveUntil(ctx context.Context, l net.Listener, page *live.Server, errors *log.Logger) error {
	server := &http.Server{Handler: page, ErrorLog: errors}
	page.Harden(server)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(limitConnections(l, connectionsMost)) }()
	select {
	case err := <-failed:
		page.Close()
		return err
	case <-ctx.Done():
	}
	page.Close() // streams first: Shutdown waits for them
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		server.Close() // a slow client need not be waited for
	}
	<-failed
	return nil
}

// inventoryItems lists what RTEST_POOLS has, if it is set.
func inventoryItems(ctx context.Context) ([]live.Item, error) {
	source, err := inventory.Default()
	if errors.Is(err, inventory.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := source.Read(ctx)
	if err != nil {
		return nil, err
	}
	items, err := itemsOf(v)
	if err != nil {
		return nil, err
	}
	return items, source.Problem() // what was read before is still good
}
