package judge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// at is a use whose token is the moment at which it begins, plus 1.
func at(from, to int64, mode string, keys ...string) Use {
	return Use{Asked: from, From: from, To: to, Token: uint64(from) + 1, Want: []int{len(keys)}, Got: []Got{{mode, keys}}}
}

// with changes a use.
func with(u Use, change func(u *Use)) Use { change(&u); return u }

// TestContradictions forges histories. Each contradiction is found once, for what
// it is, and nothing is found where there is none.
func TestContradictions(t *testing.T) {
	token := func(n uint64) func(*Use) { return func(u *Use) { u.Token = n } }
	asked := func(at int64) func(*Use) { return func(u *Use) { u.Asked = at } }
	for _, c := range []struct {
		what string
		uses []Use
		want []string // what is found says this, in any order
	}{
		{"nobody did anything", nil, nil},
		{"one after the other", []Use{at(0, 1, "x", "a"), at(2, 3, "x", "a")}, nil},
		{"one after the other, in any order", []Use{at(2, 3, "x", "a"), at(0, 1, "x", "a")}, nil},
		{"different keys", []Use{at(0, 2, "x", "a"), at(1, 3, "x", "b")}, nil},
		{"readers", []Use{at(0, 2, "s", "a"), at(1, 3, "s", "a")}, nil},
		{"two of two seats", []Use{at(0, 2, "n2", "a"), at(1, 3, "n2", "a")}, nil},
		{"two requirements", []Use{{From: 1, To: 2, Token: 1, Want: []int{2, 1}, Got: []Got{{"x", []string{"a", "b"}}, {"s", []string{"c"}}}}}, nil},
		{"nothing was wanted", []Use{{From: 1, To: 2, Token: 1}}, nil},

		{"two holders at once", []Use{at(0, 2, "x", "a"), at(1, 3, "x", "a")}, []string{"beside"}},
		{"two holders at the same moment only", []Use{at(0, 1, "x", "a"), at(1, 3, "x", "a")}, []string{"beside"}},
		{"within a longer one", []Use{at(0, 9, "x", "a"), at(1, 2, "s", "b"), at(4, 5, "x", "a", "c")}, []string{"beside"}},
		{"within a longer one, after a shorter one", []Use{at(0, 9, "s", "a"), at(1, 2, "s", "a"), at(4, 5, "x", "a")}, []string{"beside"}},
		{"three holders at once", []Use{at(0, 9, "x", "a"), at(1, 8, "x", "a"), at(2, 7, "x", "a")}, []string{"beside", "beside"}},
		{"on two keys", []Use{at(0, 2, "x", "a", "b"), at(1, 3, "x", "a", "b")}, []string{"a: ", "b: "}},
		{"by the second requirement", []Use{at(0, 2, "x", "a"), {Asked: 1, From: 1, To: 3, Token: 9, Got: []Got{{"s", []string{"b"}}, {"x", []string{"a"}}}}}, []string{"beside"}},
		{"a writer beside readers", []Use{at(0, 2, "s", "a"), at(1, 3, "s", "a"), at(2, 4, "x", "a")}, []string{"beside"}},
		{"a reader beside a writer", []Use{at(0, 2, "x", "a"), at(1, 3, "s", "a")}, []string{"beside"}},
		{"a seat beside a reader", []Use{at(0, 2, "s", "a"), at(1, 3, "n2", "a")}, []string{"beside"}},
		{"three of two seats", []Use{at(0, 3, "n2", "a", "a"), at(1, 3, "n2", "a")}, []string{"beside"}},
		{"three of two seats, one by one", []Use{at(0, 9, "n2", "a"), at(1, 8, "n2", "a"), at(2, 7, "n2", "a")}, []string{"beside"}},
		{"three of two seats, who says three", []Use{at(0, 3, "n3", "a", "a"), at(1, 3, "n2", "a")}, []string{"beside"}},
		{"a key twice", []Use{at(0, 3, "x", "a", "a")}, []string{"beside"}},

		{"a partial grab", []Use{with(at(0, 1, "x", "a"), func(u *Use) { u.Want[0] = 2 })}, []string{"wanted"}},
		{"a requirement that got nothing", []Use{with(at(0, 1, "x", "a"), func(u *Use) { u.Want = append(u.Want, 1) })}, []string{"wanted"}},
		{"a grab that is too large", []Use{with(at(0, 1, "x", "a", "b"), func(u *Use) { u.Want[0] = 1 })}, []string{"wanted"}},
		{"a use that ends before it begins", []Use{at(5, 4, "x", "a")}, []string{"before it began"}},
		{"what a process found odd", []Use{{Odd: "Release: out of paper"}}, []string{"out of paper"}},
		{"what two processes found odd", []Use{{Odd: "this"}, at(0, 1, "x", "a"), {Odd: "that"}}, []string{"this", "that"}},
		{"an odd use beside another", []Use{with(at(0, 2, "x", "a"), func(u *Use) { u.Odd = "strange" }), at(1, 3, "x", "a")}, []string{"strange", "beside"}},

		{"no token", []Use{with(at(0, 1, "x", "a"), token(0))}, []string{"no higher token", "was given to"}},
		{"a token twice", []Use{with(at(0, 9, "x", "a"), token(7)), with(at(0, 9, "x", "b"), token(7))}, []string{"given twice"}},
		{"a token that falls from key to key", []Use{with(at(1, 2, "x", "a"), token(7)), with(at(5, 6, "x", "b"), token(6))}, []string{"was given to"}},
		{"a token that falls from key to key, written in another order", []Use{with(at(5, 6, "x", "b"), token(6)), with(at(1, 2, "x", "a"), token(7))}, []string{"was given to"}},
		{"a token that falls below one that was given before the last", []Use{with(at(1, 2, "x", "a"), token(9)), with(with(at(3, 4, "x", "b"), token(5)), asked(0)), with(at(5, 6, "x", "c"), token(6))}, []string{"was given to"}},
		{"a token that falls below that of an odd use", []Use{with(with(at(1, 2, "x", "a"), token(9)), func(u *Use) { u.Odd = "strange" }), with(at(5, 6, "x", "b"), token(6))}, []string{"strange", "was given to"}},
		{"a token that falls on a key, asked for early", []Use{with(at(1, 2, "x", "a"), token(7)), with(with(at(5, 6, "x", "a"), token(6)), asked(0))}, []string{"no higher token"}},
		{"a reader's that falls after a writer", []Use{with(at(1, 2, "x", "a"), token(7)), with(with(at(5, 6, "s", "a"), token(6)), asked(0))}, []string{"no higher token"}},
		{"a writer's that falls after a reader", []Use{with(at(1, 2, "s", "a"), token(7)), with(with(at(5, 6, "x", "a"), token(6)), asked(0))}, []string{"no higher token"}},
		{"readers that came in another order than they were let in", []Use{with(at(1, 9, "s", "a"), token(7)), with(with(at(5, 6, "s", "a"), token(6)), asked(0))}, nil},
		{"a writer's after two readers, between their tokens", []Use{with(at(1, 2, "s", "a"), token(7)), with(with(at(2, 3, "s", "a"), token(5)), asked(0)), with(with(at(5, 6, "x", "a"), token(6)), asked(0))}, []string{"no higher token"}},
		{"a writer's after two writers, between their tokens", []Use{with(at(1, 2, "x", "a"), token(9)), with(with(at(3, 4, "x", "a"), token(5)), asked(0)), with(with(at(5, 6, "s", "a"), token(6)), asked(0))}, []string{"no higher token", "no higher token"}},
	} {
		missing := slices.Clone(c.want)
		bad := Promises{}.Contradictions(c.uses)
		for _, b := range bad {
			if i := slices.IndexFunc(missing, func(w string) bool { return strings.Contains(b, w) }); i >= 0 {
				missing = slices.Delete(missing, i, i+1)
			}
		}
		if len(bad) != len(c.want) || len(missing) > 0 {
			t.Errorf("%s: found %q, want %q", c.what, bad, c.want)
		}
	}
}

// TestUnfenced: without tokens, nothing is said about them, and everything else is.
func TestUnfenced(t *testing.T) {
	none := func(u Use) Use { return with(u, func(u *Use) { u.Token = 0 }) }
	one, two := none(at(0, 1, "x", "a")), none(at(2, 3, "x", "a"))
	if bad := (Promises{Unfenced: true}).Contradictions([]Use{one, two}); bad != nil {
		t.Errorf("found %q", bad)
	}
	one.To = 2
	if bad := (Promises{Unfenced: true}).Contradictions([]Use{one, two}); len(bad) != 1 {
		t.Errorf("two holders at once: found %q", bad)
	}
}

// TestCompatible looks at all ways of two or three, in all orders, against what is
// said of them in words.
func TestCompatible(t *testing.T) {
	for _, c := range []struct {
		held string // mode*units
		want bool
	}{
		{"x*1", true}, {"x*2", false}, {"s*1", true}, {"s*2", false}, {"n2*2", true}, {"n2*3", false},
		{"x*1 x*1", false}, {"x*1 s*1", false}, {"x*1 n9*1", false}, {"s*1 n9*1", false}, {"s*1 s*1", true},
		{"n3*1 n3*2", true}, {"n3*2 n3*2", false}, {"n9*2 n2*1", false},
		{"s*1 s*1 s*1", true}, {"s*1 s*1 x*1", false}, {"s*1 s*1 n9*1", false}, {"n9*1 n9*1 s*1", false}, {"n3*1 n3*1 n3*1", true}, {"n3*1 n9*1 n2*1", false},
		{"y*1", false}, {"n*1", false}, {"3*1", false}, {"*1", false}, {"ss*1 s*1", false},
	} {
		var held []Taken
		for _, text := range strings.Fields(c.held) {
			mode, units, _ := strings.Cut(text, "*")
			var n int
			if _, err := fmt.Sscan(units, &n); err != nil {
				t.Fatal(err)
			}
			held = append(held, Taken{mode, n})
		}
		for range held {
			held = append(held[1:], held[0])
			if got := Compatible(held); got != c.want {
				t.Errorf("%v: got %v, want %v", held, got, c.want)
			}
		}
	}
	if !Compatible(nil) {
		t.Error("nobody has it, and that is wrong?")
	}
}

// TestNow: no two moments are in the wrong order.
func TestNow(t *testing.T) {
	last := Now()
	for range 1000 {
		now := Now()
		if now < last || now <= 0 {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
}
