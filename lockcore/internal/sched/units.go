package sched

import "github.com/resourcelocker/resourcelocker/lockcore"

// Units counts how a key is taken, for a store that keeps its holdings
// elsewhere and is to judge them by the same rule. The zero value is a free key.
type Units = units

// Free is how many units of a key taken like this the requirement could take.
func (u units) Free(r *lockcore.Requirement) int { return u.free(r) }

// Add takes one unit in the mode of the requirement.
func (u *units) Add(r *lockcore.Requirement) { u.add(r) }
