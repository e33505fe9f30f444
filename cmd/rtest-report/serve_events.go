package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
)

// eventTargets are where the history is.
func (f *serveFlags) eventTargets() ([]string, error) {
	targets := f.events
	if env := environ.Getenv("RTEST_EVENTS"); len(targets) == 0 && env != "" {
		targets = []string{env}
	}
	for _, t := range targets {
		if t == "" || t == "-" {
			return nil, fmt.Errorf("--events %q: a history is read again and again: name a file, a directory, or a redis URL", t)
		}
	}
	return targets, nil
}

// actionTarget is where actions are recorded: where the commands record them, else
// with the history.
func actionTarget(events []string) (string, error) {
	if env := environ.Getenv("RTEST_EVENTS"); env != "" {
		if !redisstream.IsURL(env) {
			if err := environ.Absolute(env); err != nil {
				return "", fmt.Errorf("the environment variable RTEST_EVENTS %w", err)
			}
		}
		return env, nil
	}
	for _, t := range events {
		if redisstream.IsURL(t) {
			return t, nil
		}
		if info, err := os.Stat(t); err == nil && info.IsDir() {
			return filepath.Abs(t)
		}
	}
	return "", errors.New("--allow-actions records what people do: say where with RTEST_EVENTS, or with --events and a directory or a redis URL")
}

// historyMost bounds the files of a history that are read, to the newest of that many
// bytes: a directory grows for as long as nobody clears it, and is read every few minutes.
const historyMost = 512 << 20

// eventsSince yields the events that may be of a time: those of streams, and of files
// that somebody wrote to since.
func eventsSince(ctx context.Context, targets []string, since time.Time) iter.Seq2[eventlog.Event, error] {
	failed := func(err error) iter.Seq2[eventlog.Event, error] {
		return func(yield func(eventlog.Event, error) bool) { yield(eventlog.Event{}, err) }
	}
	var r eventlog.Reader
	var seqs []iter.Seq2[eventlog.Event, error]
	var files []eventFile
	for _, t := range targets {
		if redisstream.IsURL(t) {
			// Entries have the time of the server in their names. The hour is for a server whose
			// clock is ahead of ours or behind; what is too old is left out by the history.
			after := fmt.Sprintf("%d-0", since.Add(-time.Hour).UnixMilli())
			seqs = append(seqs, redisstream.Read(ctx, t, after, &r))
			continue
		}
		found, err := eventFiles(t, since)
		if err != nil {
			return failed(err)
		}
		files = append(files, found...)
	}
	if len(files) > 0 {
		seqs = append(seqs, r.Events(newest(files, historyMost)...))
	}
	if len(seqs) == 0 {
		return r.Events()
	}
	return eventlog.Merge(seqs...)
}

// An eventFile is a file of events.
type eventFile struct {
	path string
	at   time.Time // when it was last written to
	size int64
}

// eventFiles lists the files of a target that were written to since a moment.
func eventFiles(target string, since time.Time) (files []eventFile, err error) {
	err = filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != target {
			return nil // removed meanwhile; a target that is not there is a mistake
		}
		if err != nil || d.IsDir() || path != target && !strings.HasSuffix(path, eventlog.Suffix) {
			return err
		}
		info, err := os.Stat(path) // of a link, the file: that is what somebody writes to
		if errors.Is(err, fs.ErrNotExist) && path != target {
			return nil
		}
		if err == nil && !info.ModTime().Before(since) {
			files = append(files, eventFile{path, info.ModTime(), info.Size()})
		}
		return err
	})
	return files, err
}

// newest are the paths of the files that were written to last, of so many bytes.
func newest(files []eventFile, most int64) (paths []string) {
	slices.SortFunc(files, func(a, b eventFile) int { return cmp.Or(b.at.Compare(a.at), strings.Compare(a.path, b.path)) })
	for _, f := range files {
		if most -= f.size; most < 0 {
			break // a smaller one that is older would leave a gap in the time that is shown
		}
		paths = append(paths, f.path)
	}
	return paths
}
