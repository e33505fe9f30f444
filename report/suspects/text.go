package suspects

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// Lines words the suspects, the clearest first, and then the tests that fail wherever
// they run, one line each.
func (r *Result) Lines() []string {
	var l []string
	for i := range r.Suspects {
		l = append(l, r.Suspects[i].String())
	}
	for _, t := range r.Everywhere {
		l = append(l, fmt.Sprintf("%s fails wherever it runs: %d of %s, on %s", words.Plain(t.Name), t.Failed, words.Count(t.Runs, "run"), words.Count(t.Resources, "resource")))
	}
	return l
}

// String says what the failures are.
func (s Suspect) String() string {
	name := words.Plain(s.Name)
	if s.Kind == Pair {
		return fmt.Sprintf("%s on %s: %d of %s failed; it failed %d of %s without that resource", words.Plain(s.Test), name, s.Failed, words.Count(s.Uses, "run"), s.ElseFails, words.Count(s.Else, "time"))
	}
	return fmt.Sprintf("%s: %d of %s of tests with it failed; the same tests failed %d of %s without it", name, s.Failed, words.Count(s.Uses, "run"), s.ElseFails, words.Count(s.Else, "time"))
}

// Summary says in one line what was compared, and what was left out.
func (r *Result) Summary() string {
	if len(r.Suspects) == 0 {
		return r.none() + " " + r.said()
	}
	return r.said()
}

func (r *Result) said() string {
	s := fmt.Sprintf("%s of tests with resources, %d failed; %s", words.Count(r.Runs, "run"), r.Failed, words.Count(r.Compared, "comparison"))
	var out []string
	for _, o := range []struct {
		n    int
		what string
	}{{r.Broken, "in runs of a suite in which nearly everything failed"}, {r.Skipped, "skipped or not served"}, {r.Unknown, "whose end is not in the events"}} {
		if o.n > 0 {
			out = append(out, fmt.Sprint(o.n, " ", o.what))
		}
	}
	if len(out) > 0 {
		s += "; left out: " + strings.Join(out, ", ")
	}
	return s + "."
}

// none says that there is no suspect.
func (r *Result) none() string {
	if r.Runs == 0 {
		return "No test whose end is known used a resource."
	}
	return "No suspect: failures follow no resource, no tag and no pair of a test and a resource more than chance explains."
}

// WriteText writes the result for a terminal.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	if len(r.Suspects) == 0 {
		fmt.Fprintln(&b, r.none())
	}
	for i, l := range r.Lines() {
		fmt.Fprint(&b, l)
		if i < len(r.Suspects) {
			fmt.Fprintf(&b, " (chance: %s)", r.Suspects[i].Chance())
		}
		b.WriteString("\n")
	}
	fmt.Fprintln(&b, r.said())
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes the result for the summary of a CI job.
func (r *Result) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("## Suspects\n\n")
	if len(r.Suspects) == 0 {
		fmt.Fprintf(&b, "%s\n\n", words.EscapeMarkdown(r.none()))
	} else {
		b.WriteString("| suspect | failed with it | without it | chance |\n| --- | ---: | ---: | ---: |\n")
		for _, s := range r.Suspects {
			name := s.Name
			if s.Kind == Pair {
				name = s.Test + " on " + s.Name
			}
			fmt.Fprintf(&b, "| %s | %d of %d | %d of %d | %s |\n", words.Markdown(name), s.Failed, s.Uses, s.ElseFails, s.Else, words.EscapeMarkdown(s.Chance()))
		}
		b.WriteString("\n")
	}
	for _, l := range r.Lines()[len(r.Suspects):] {
		fmt.Fprintf(&b, "- %s\n", words.EscapeMarkdown(l))
	}
	fmt.Fprintf(&b, "\n%s\n", words.EscapeMarkdown(r.said()))
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON writes the result as one JSON object.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // it is read by programs and people, not by browsers
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Chance words P: how likely it is that chance alone did this, or more.
func (s Suspect) Chance() string {
	switch p := s.P; {
	case p < 1e-6:
		return "less than 1 in a million"
	case p < 0.001:
		return fmt.Sprintf("1 in %.0f", 1/p)
	}
	return fmt.Sprintf("%.1f%%", 100*s.P)
}
