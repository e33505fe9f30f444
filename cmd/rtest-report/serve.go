package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/lockcore/inventory"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/live"
)

// serveFlags are those of serve.
type serveFlags struct {
	store   storeFlags
	listen  string
	hosts   []string
	events  []string
	act     bool
	tokens  string
	header  string
	proxies []string
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

With --events, or RTEST_EVENTS, it also tells of the last day and the last week: use
of resources, waits, what was out of service, and what failures follow.

Everybody who reaches it may look. With --allow-actions, people may also reserve,
release, disable, enable and free: those who know a token of --token-file, whose lines
are a name, a space and a token; or those whom a proxy names in --user-header. Each
action is recorded as an event with that name, where RTEST_EVENTS says, else in the
first --events.

It answers on this machine only, unless --listen says otherwise, and to requests that
name it by an address, by localhost, or by a --host. It ends with ^C or TERM.

Exit codes: 0 ended by a signal; 2 wrong usage, an address that is in use, or a store
that cannot be reached at the start. A store that goes away later is told on the page.`,
		Example: `  rtest-report serve
  rtest-report serve --url redis://lab:6379/0 --listen :7070 --host lab.example.com
  rtest-report serve --events /var/lib/rtest/events --allow-actions --token-file /etc/rtest/tokens`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.serve(cmd) },
	}
	f.store.bind(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:7070", "`ADDRESS` to listen on")
	fl.StringArrayVar(&f.hosts, "host", nil, "`NAME` by which browsers call this server, beside its addresses and localhost; repeatable")
	fl.StringArrayVarP(&f.events, "events", "e", nil, "event `PATH` of the history: a file, a directory, or a redis URL; repeatable (default $RTEST_EVENTS)")
	fl.BoolVar(&f.act, "allow-actions", false, "let people reserve, release, disable, enable and free")
	fl.StringVar(&f.tokens, "token-file", "", "`FILE` of names and tokens; nobody else may be able to read it")
	fl.StringVar(&f.header, "user-header", "", "`HEADER` in which a proxy says who asks")
	fl.StringArrayVar(&f.proxies, "trusted-proxy", nil, "`CIDR` of the proxies whose --user-header counts; repeatable")
	_ = cmd.MarkFlagFilename("events", "jsonl")
	_ = cmd.MarkFlagFilename("token-file")
	return cmd
}

func (f *serveFlags) serve(cmd *cobra.Command) error {
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	if err := environ.Check(); err != nil {
		return err
	}
	events, err := f.eventTargets()
	if err != nil {
		return err
	}
	errorLog := log.New(cmd.ErrOrStderr(), "rtest-report: ", 0)
	opts := live.Options{Items: inventoryItems, Timeout: f.store.timeout, Hosts: f.hosts, ErrorLog: errorLog}
	if len(events) > 0 {
		opts.History = &live.History{Read: func(ctx context.Context, since time.Time) iter.Seq2[eventlog.Event, error] {
			return eventsSince(ctx, events, since)
		}}
	}
	// What the flags say is checked before the store is asked, which may take its time.
	if opts.Access, err = f.access(events); err != nil {
		return err
	}
	// Before the port: a store that cannot be reached at the start is mostly mistyped,
	// and somebody is there to correct it.
	store, err := f.store.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	page, err := live.New(store, opts)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		page.Close() // it looks at the store, which is closed behind it
		return fmt.Errorf("--listen %s: %w", f.listen, err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "rtest-report: %s is on http://%s/\n", printable(store.String()), l.Addr())
	return serveUntil(ctx, l, page, errorLog)
}

// access is who may act, nil if nobody may.
func (f *serveFlags) access(events []string) (*live.Access, error) {
	switch {
	case !f.act && (f.tokens != "" || f.header != "" || len(f.proxies) > 0):
		return nil, errors.New("--token-file, --user-header and --trusted-proxy say who may act, and nobody may without --allow-actions")
	case !f.act:
		return nil, nil
	case f.tokens == "" && f.header == "":
		return nil, errors.New("--allow-actions needs to know who acts: --token-file FILE, or --user-header HEADER from a --trusted-proxy CIDR")
	case f.header != "" && len(f.proxies) == 0:
		return nil, errors.New("--user-header counts from a proxy only, since anybody can send a header: name it with --trusted-proxy CIDR, as 127.0.0.1/32")
	case f.header == "" && len(f.proxies) > 0:
		return nil, errors.New("--trusted-proxy says whose --user-header counts, and there is none")
	}
	a := &live.Access{TokenFile: f.tokens, UserHeader: f.header}
	for _, p := range f.proxies {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy %q is no CIDR, as 10.0.0.0/8 or 127.0.0.1/32", p)
		}
		a.TrustedProxies = append(a.TrustedProxies, prefix)
	}
	target, err := actionTarget(events)
	if err != nil {
		return nil, err
	}
	a.Record = func(ctx context.Context, d live.Deed) error { return auditTo(ctx, target, d) }
	return a, nil
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
	// A page takes less; a client that reads no more must not keep the process alive.
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
