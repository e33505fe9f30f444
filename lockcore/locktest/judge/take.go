package judge

import (
	"errors"
	"fmt"
	"sync"
)

// ErrInUse is what [Take] returns when somebody else has it.
var ErrInUse = errors.New("in use by somebody else")

// taken is what this process uses, by file. Entries stay: see [use].
var taken = struct {
	sync.Mutex
	by map[string]*use
}{by: map[string]*use{}}

// Take marks a resource, of which file is the name, as used until done is called or the
// process has ended, however it ends. The error is [ErrInUse] if another process, or
// another part of this one, uses it; shared uses go together. The kernel is the judge:
// it has nothing to do with the locks under test.
//
//	A takes b1, is killed     the kernel ends A's use, before the files of A are closed
//	B finds A dead, takes b1  no error
//
// A child process does not inherit a use.
func Take(file string, shared bool) (done func(), err error) {
	taken.Lock()
	defer taken.Unlock()
	u := taken.by[file]
	if u == nil {
		u = &use{}
		taken.by[file] = u
	}
	switch {
	case u.n == 0:
		if err := u.lock(file, shared); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	case !shared || !u.shared:
		return nil, fmt.Errorf("%s: %w, of this process", file, ErrInUse)
	}
	u.n++
	u.shared = shared
	return sync.OnceFunc(func() {
		taken.Lock()
		defer taken.Unlock()
		if u.n--; u.n == 0 {
			u.unlock()
		}
	}), nil
}
