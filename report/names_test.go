package report

import "testing"

func TestNamesAreToldApart(t *testing.T) {
	r := &Report{}
	r.learnNames([]testKey{{"a/lab", "TestOne"}, {"a/lab", "TestTwo"}, {"a/rack", "TestTwo"}, {"a/lab", "TestThree"}, {"b/lab", "TestThree"}, {"", "pid 7"}})
	for h, want := range map[Holder]string{
		{Pkg: "a/lab", Test: "TestOne"}:   "TestOne",
		{Pkg: "a/lab", Test: "TestTwo"}:   "lab.TestTwo",
		{Pkg: "a/rack", Test: "TestTwo"}:  "rack.TestTwo",
		{Pkg: "b/lab", Test: "TestThree"}: "b/lab.TestThree",
		{Pkg: "a/lab", Test: "a/lab"}:     "a/lab",
		{Test: "pid 7"}:                   "pid 7",
		{Run: "ci-7"}:                     "ci-7",
		{}:                                "(unnamed)",
	} {
		if got := r.Name(h); got != want {
			t.Errorf("%+v is called %q; want %q", h, got, want)
		}
	}
}
