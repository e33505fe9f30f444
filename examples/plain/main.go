// Plain is a program that is no test: it flashes firmware images on a rack of
// boards that it shares with tests, and with other instances of itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/examples/internal/overlap"
	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/hold"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

func main() {
	images := flag.Int("images", 6, "how many images to flash")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Getenv("RTEST_URL"), *images, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

var rack = hold.Pool[string]{Name: "boards", Items: []string{"board-1", "board-2", "board-3", "board-4", "board-5"}}

// run flashes all images at the same time, as far as there are boards.
func run(ctx context.Context, url string, images int, out io.Writer) error {
	store, err := storeurl.Open(ctx, url)
	if err != nil {
		return err
	}
	locker := lockcore.New(store, &lockcore.Options{Owner: lockcore.Owner{Test: "plain"}})
	boards, errs := make([]string, images), make([]error, images)
	var wg sync.WaitGroup
	for i := range images {
		wg.Go(func() { boards[i], errs[i] = flash(ctx, locker, i) })
	}
	wg.Wait()
	for i, b := range boards {
		if b != "" {
			fmt.Fprintf(out, "image %d is on %s\n", i, b)
		}
	}
	return errors.Join(append(errs, locker.Close())...)
}

func flash(ctx context.Context, locker *lockcore.Locker, image int) (board string, err error) {
	err = hold.Do(ctx, locker, rack, func(ctx context.Context, got []string) error {
		board = got[0]
		done, err := overlap.Take(board, false) // proves that nobody else uses it
		if err != nil {
			return err
		}
		defer done()
		select {
		case <-time.After(20 * time.Millisecond):
			return nil
		case <-ctx.Done(): // interrupted, or the lease was lost
			return context.Cause(ctx)
		}
	})
	if err != nil {
		return "", fmt.Errorf("image %d: %w", image, err)
	}
	return board, nil
}
