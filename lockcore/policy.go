package lockcore

import "fmt"

// A Policy says who may be served before somebody who came earlier. All clients
// of a namespace use the same one.
type Policy int

// The policies.
const (
	// Backfill lets a request use what is reserved for an earlier one if it is
	// expected to give it back before the earlier one could start anyway. What is
	// expected is Request.Expect, or what the same test took the last times; who
	// has neither waits as under FIFO.
	Backfill Policy = iota
	// FIFO lets nobody use what is reserved for somebody else.
	FIFO
)

var policyNames = [...]string{Backfill: "backfill", FIFO: "fifo"}

// String is the name of the policy, as it stands in a store URL.
func (p Policy) String() string {
	if p < 0 || int(p) >= len(policyNames) {
		return fmt.Sprintf("Policy(%d)", int(p))
	}
	return policyNames[p]
}

// MarshalText is the name of the policy.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name of a policy. Empty means the default, backfill.
func (p *Policy) UnmarshalText(text []byte) error {
	for i, name := range policyNames {
		if string(text) == name || len(text) == 0 {
			*p = Policy(i)
			return nil
		}
	}
	return fmt.Errorf("policy %q is unknown: use backfill or fifo", text)
}
