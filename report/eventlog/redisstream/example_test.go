package redisstream_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
)

func Example() {
	server, err := miniredis.Run() // yours is a real one
	if err != nil {
		panic(err)
	}
	defer server.Close()
	ctx := context.Background()
	address := "redis://" + server.Addr() + "/0?stream=fleet&maxlen=50000"
	fmt.Println(redisstream.IsURL(address), redisstream.IsURL("a/directory"))

	w, err := redisstream.Open(ctx, address) // what RTEST_EVENTS says
	if err != nil {
		panic(err)
	}
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: "early"})
	if err := w.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	mark, err := redisstream.Last(ctx, address)
	if err != nil {
		fmt.Println(err)
	}
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: "late"})
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}

	var r eventlog.Reader
	for e, err := range redisstream.Read(ctx, address, mark, &r) {
		fmt.Println(e.Ev, e.Req, err)
	}
	// Output:
	// true false
	// request late <nil>
}
