package filestore

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What version 1 of the format wrote is read: keys out of service, which outlive
// every process. The first step makes it version 2, which version 1 refuses by its
// number.
func TestReadsTheVersionBefore(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]string{"small": "board-2", "large": strings.Repeat("long", 1200)} {
		dir := t.TempDir()
		state, err := os.ReadFile(filepath.Join("testdata", "versions", "state-v1-"+name))
		if err != nil {
			t.Fatal(err)
		}
		space := filepath.Join(dir, "ns-default")
		if err := os.Mkdir(space, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(space, stateName)
		if err := os.WriteFile(path, state, 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			s := open(t, dir)
			if i > 0 {
				ask(t, s, "more "+name, false, some(1, "more"))
			}
			snap, err := s.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, h := range snap.Holders {
				if h.State == "disabled" && h.Reason == "cable" && h.Owner.User == "ann@bench" {
					keys = append(keys, h.Keys()...)
				}
			}
			if slices.Sort(keys); !slices.Equal(keys, []string{"board-1", second}) {
				t.Errorf("%s: out of service are %q", name, keys)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if v := max(binary.LittleEndian.Uint32(now[8:]), binary.LittleEndian.Uint32(now[slotSize+8:])); v != formatVersion {
			t.Errorf("%s: the newest header has version %d", name, v)
		}
	}
}
