package filestore

import (
	"context"
	"fmt"
)

// The default directory belongs to one user. Two accounts of one machine that
// both rely on it have two stores, and with them two holders of one board. Neither
// may look into the home directory of the other, as a rule; root may, and some
// homes are open.

// A neighbour is the default store of another user, in use at this moment.
type neighbour struct {
	user, dir, process string
}

// Check warns of other users of this machine whose default stores have the same
// namespace and are in use, as far as this user may see them. It is for the default
// directory; on all others, and on systems but Linux, it says nothing.
func (s *Store) Check(ctx context.Context) (warnings []string, err error) {
	if !s.loc.own {
		return nil, nil
	}
	// A home may be on a server that does not answer.
	found := make(chan []neighbour, 1)
	go func() { found <- neighbours(passwd, s.loc) }()
	select {
	case all := <-found:
		for _, n := range all {
			warnings = append(warnings, fmt.Sprintf("%s: it is the default store of one user of this machine, and %s has another one that is in use (%s, by %s): the two do not see what each other's tests hold; "+
				"make a directory for both (sudo mkdir -p /var/lib/rtest && sudo chgrp GROUP /var/lib/rtest && sudo chmod 2770 /var/lib/rtest) and set RTEST_URL=file:///var/lib/rtest", s, n.user, n.dir, n.process))
		}
		return warnings, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
