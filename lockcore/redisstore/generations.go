package redisstore

import (
	"context"
	"sync"
)

// generations remembers which generation of data the server had (generation.lua)
// when each lease of this process was last known to be there. A server that has lost
// its data more than once since cannot tell what was granted in between.
type generations struct {
	mu     sync.Mutex
	latest string // that the server told
	known  bool   // it has told one, if only that it cannot tell
	of     map[string]string
}

// learnGeneration asks the server for its generation, once: what is granted after that is of no
// earlier one.
func (s *Store) learnGeneration(ctx context.Context) error {
	g := &s.generations
	g.mu.Lock()
	known := g.known
	g.mu.Unlock()
	if known {
		return nil
	}
	v, err := s.run(ctx, s.scripts.renew)
	if err != nil {
		return err
	}
	if l := list(v); len(l) == 1 {
		g.told(text(l[0]))
	}
	return nil
}

func (g *generations) told(generation string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.latest, g.known = generation, true
}

// before is the latest generation, as one that is no later than that of a grant which
// is asked for now.
func (g *generations) before() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.latest
}

// confirmed notes that the lease was there in the generation.
func (g *generations) confirmed(id, generation string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil {
		g.of = make(map[string]string)
	}
	g.of[id] = generation
}

// lastOf is the generation in which the lease was last known to be there; empty if
// another process got it.
func (g *generations) lastOf(id string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of[id]
}

func (g *generations) forget(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.of, id)
}
