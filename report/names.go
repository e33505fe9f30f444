package report

import "path"

// Name is what people call a holder: its test, with the package in front where
// tests of several packages have that name.
func (r *Report) Name(h Holder) string {
	short := r.packages[h.Test]
	switch {
	case h.Test == "" || h.Test == h.Pkg || len(short) == 0:
		return h.String()
	case short[path.Base(h.Pkg)] == "":
		return h.Pkg + "." + h.Test // the last parts are the same too
	case len(short) == 1:
		return h.Test
	}
	return path.Base(h.Pkg) + "." + h.Test
}

// learnNames collects the packages of each test name.
func (r *Report) learnNames(tests []testKey) {
	r.packages = map[string]map[string]string{}
	for _, t := range tests {
		if t.name == "" || t.pkg == "" {
			continue
		}
		if r.packages[t.name] == nil {
			r.packages[t.name] = map[string]string{}
		}
		m, base := r.packages[t.name], path.Base(t.pkg)
		if known, ok := m[base]; ok && known != t.pkg {
			m[base] = "" // ambiguous
		} else if !ok {
			m[base] = t.pkg
		}
	}
}
