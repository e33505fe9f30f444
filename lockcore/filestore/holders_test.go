package filestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Whoever is missing is named also when the last attempt ended before it looked.
func TestAMissingHolderIsNamedHoweverTheWaitEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := open(t, t.TempDir())
	attempts := 0
	err := s.whenComplete(ctx, func() error {
		if attempts++; attempts == 1 {
			return &missingHoldersError{s.loc.state(), []string{"4711"}}
		}
		cancel()
		return fmt.Errorf("waiting for a turn: %w", context.Canceled)
	})
	if !strings.Contains(fmt.Sprint(err), "process 4711, which holds something, has not entered it again") || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
