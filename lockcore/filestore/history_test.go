package filestore

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// hold takes and returns a key, which is what a history learns from.
func hold(t *testing.T, s *Store, test string) {
	t.Helper()
	if err := s.Release(t.Context(), ask(t, s, test, false, some(1, "k")), 0); err != nil {
		t.Fatal(err)
	}
}

func TestHistoryIsKeptAndMerged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	hold(t, a, "TestOne")
	hold(t, b, "TestTwo")
	if _, err := os.Stat(a.loc.history()); err == nil {
		t.Error("a step that nobody waited for wrote the history")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b.history.saved = b.history.saved.Add(-2 * historyEvery)
	hold(t, b, "TestTwo") // a while later, so it is written with this step
	both := a.loc.readHistory().Append(nil)
	for _, test := range []string{"TestOne", "TestTwo"} {
		if !bytes.Contains(both, []byte(test)) {
			t.Errorf("the holds of %s are not in the history", test)
		}
	}
	if known, err := open(t, dir).History(t.Context()); err != nil || len(known) != 2 || known[1].Test != "TestTwo" || known[1].Holds != 1 {
		t.Errorf("a third process lists %+v, %v", known, err)
	}
	st, err := os.Stat(b.loc.state())
	if err != nil || st.Size() > reservedSize {
		t.Errorf("the state has grown: %v, %v", st, err)
	}

	// A damaged history costs what was learned, and nothing else.
	if err := os.WriteFile(b.loc.history(), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.history.saved = time.Time{}
	hold(t, b, "TestThree")
	if h := b.loc.readHistory(); bytes.Equal(h.Append(nil), new(sched.History).Append(nil)) {
		t.Error("a damaged history is not written anew")
	}
}
