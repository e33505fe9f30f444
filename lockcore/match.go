package lockcore

// Match assigns candidates to requirements so that as many units as possible
// are satisfied, and reports whether that is all of them. No key is given out
// more often than free allows, over all requirements together.
//
// free says how many units of the key requirement r could take, given what
// others hold: 0 or 1, or the number of free seats. visit orders the
// candidates: visit(r) returns a function from 0..n-1 to candidate indexes. With
// a nil visit, candidates are taken in their own order.
//
// It is Kuhn's augmenting-path algorithm on the bipartite graph of requirements and
// keys. A greedy first round comes before it and usually is enough: then Match looks at
// only as many candidates as it needs. Greedy alone would be wrong: [a b] and [a] must
// not end with a given to the first.
func Match(reqs []Requirement, free func(r int, key string) int, visit func(r int) func(i int) int) (obtained [][]string, complete bool) {
	m := matching{reqs: reqs, free: free, visit: visit, picks: make([][]string, len(reqs))}
	complete = true
	for r := range reqs {
		if !m.greedy(r) {
			complete = false
		}
	}
	if complete || len(reqs) == 1 {
		return m.picks, complete
	}
	complete = true
	for r := range reqs {
		for len(m.picks[r]) < reqs[r].Units() {
			if !m.augment(r, map[string]bool{}) {
				complete = false
				break
			}
		}
	}
	return m.picks, complete
}

type matching struct {
	reqs  []Requirement
	free  func(r int, key string) int
	visit func(r int) func(i int) int
	picks [][]string
	load  map[string]int // units per key, once there are too many picks to count by looking
	units int
}

// fewUnits is how many picks are counted by looking rather than by a map: a
// typical request has two or three, and the map would cost more than the rest.
const fewUnits = 16

func (m *matching) loadOf(key string) int {
	if m.load != nil {
		return m.load[key]
	}
	n := 0
	for _, keys := range m.picks {
		for _, k := range keys {
			if k == key {
				n++
			}
		}
	}
	return n
}

func (m *matching) take(r int, key string) {
	m.picks[r] = append(m.picks[r], key)
	m.units++
	if m.load != nil {
		m.load[key]++
	} else if m.units > fewUnits {
		m.load = make(map[string]int)
		for _, keys := range m.picks {
			for _, k := range keys {
				m.load[k]++
			}
		}
	}
}

func (m *matching) drop(r int, key string) {
	for i, k := range m.picks[r] {
		if k == key {
			m.picks[r] = append(m.picks[r][:i], m.picks[r][i+1:]...)
			break
		}
	}
	m.units--
	if m.load != nil {
		m.load[key]--
	}
}

func (m *matching) candidates(r int) func(yield func(string) bool) {
	cands := m.reqs[r].Candidates
	var at func(int) int
	if m.visit != nil {
		at = m.visit(r)
	}
	return func(yield func(string) bool) {
		for i := range cands {
			j := i
			if at != nil {
				j = at(i)
			}
			if !yield(cands[j].Key) {
				return
			}
		}
	}
}

// greedy takes what is free for requirement r and reports whether that is
// enough.
func (m *matching) greedy(r int) bool {
	need := m.reqs[r].Units()
	for key := range m.candidates(r) {
		if len(m.picks[r]) >= need {
			break
		}
		for n := m.free(r, key) - m.loadOf(key); n > 0 && len(m.picks[r]) < need; n-- {
			m.take(r, key)
		}
	}
	return len(m.picks[r]) >= need
}

// augment finds one more unit for requirement r, moving others to another
// candidate where that helps.
func (m *matching) augment(r int, seen map[string]bool) bool {
	for key := range m.candidates(r) {
		if seen[key] {
			continue
		}
		n := m.free(r, key)
		if n <= 0 {
			continue
		}
		seen[key] = true
		if m.loadOf(key) < n {
			m.take(r, key)
			return true
		}
		for other := range m.reqs {
			if other != r && m.has(other, key) && m.augment(other, seen) {
				m.drop(other, key)
				m.take(r, key)
				return true
			}
		}
	}
	return false
}

func (m *matching) has(r int, key string) bool {
	for _, k := range m.picks[r] {
		if k == key {
			return true
		}
	}
	return false
}
