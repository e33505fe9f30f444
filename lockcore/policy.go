package lockcore

import "fmt"

// A QueuePolicy says whether a request may be served before another one that came
// earlier. All clients of a namespace use the same one.
type QueuePolicy int

// The policies.
const (
	// Backfill lets a request use what is reserved for an earlier one if it is
	// expected to give it back soon: before the earlier one could start anyway, or by
	// the moment at which that was promised to start. Of several, the one goes first
	// that takes the least for the least time, as a share of the time that it has
	// waited. What is expected is Request.Expect, or else how long the same test held
	// the last times. Of a request of which neither is known it is guessed that it takes
	// as long as most tests of late; as long as none has ended, it waits as under FIFO.
	//
	// Nobody waits for longer than four times what it would have to wait otherwise, or
	// a minute more than that, and one hold of another one.
	Backfill QueuePolicy = iota
	// FIFO serves requests in their order: no request uses what is reserved for
	// another one.
	FIFO
)

var policyNames = [...]string{Backfill: "backfill", FIFO: "fifo"}

// String is the name of the policy, as it stands in a store URL.
func (p QueuePolicy) String() string {
	if p < 0 || int(p) >= len(policyNames) {
		return fmt.Sprintf("QueuePolicy(%d)", int(p))
	}
	return policyNames[p]
}

// MarshalText is the name of the policy.
func (p QueuePolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name of a policy. Empty means the default, backfill.
func (p *QueuePolicy) UnmarshalText(text []byte) error {
	for i, name := range policyNames {
		if string(text) == name || len(text) == 0 {
			*p = QueuePolicy(i)
			return nil
		}
	}
	return fmt.Errorf("policy %q is unknown: use backfill or fifo", text)
}
