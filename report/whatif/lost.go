package whatif

import (
	"errors"
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// lostEvents words what is not in the events and was in the run, "" if nothing is known
// to be. A missing event may be that of the very holder that a replay lacks.
func (p *replay) lostEvents() string {
	missing := func(more string) string {
		if p.missing == 1 {
			return "1 event" + more + " is missing by its number"
		}
		return fmt.Sprintf("%d events%s are missing by their numbers", p.missing, more)
	}
	dropped := words.Count(int(p.dropped), "event") + " were dropped by their writers"
	if p.dropped == 1 {
		dropped = "1 event was dropped by its writer"
	}
	switch {
	case p.dropped > 0 && p.missing > 0:
		return dropped + ", and " + missing(" more")
	case p.dropped > 0:
		return dropped
	case p.missing > 0:
		return missing("")
	}
	return ""
}

// blameLoss says first, in an error for want of an estimate, which events are not there:
// whatever else it says may be for want of these.
func (p *replay) blameLoss(err error) error {
	lost := p.lostEvents()
	if lost == "" || !errors.Is(err, ErrNoEstimate) {
		return err
	}
	return &lossError{lost, err}
}

type lossError struct {
	lost string
	err  error
}

func (e *lossError) Error() string {
	return fmt.Sprintf("%v: %s, and a replay lacks what they told; rtest-report validate tells more: %s", ErrNoEstimate, e.lost, strings.TrimPrefix(e.err.Error(), ErrNoEstimate.Error()+": "))
}

func (e *lossError) Unwrap() error { return e.err }
