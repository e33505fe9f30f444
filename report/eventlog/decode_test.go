package eventlog

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// full has every field set, so that a field that the decoder forgets is missed.
func full() Event {
	t := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	return Event{
		V: 1, Ev: Grant, Seq: 7, TS: t, Srv: t.Add(time.Second), MonoMS: MS(1500250 * time.Microsecond),
		Run:  RunInfo{ID: "ci-812", Attempt: 2, CI: "github", Job: "test", URL: "https://ci/812", Shard: "3"},
		Host: "lab-1", PID: 4711,
		Test:   TestInfo{Pkg: "example.com/lab", Name: "TestPair/\"quoted\" \\ ünïcode\n", Attempt: 2, File: "a_test.go", Line: 12, Runner: "ginkgo"},
		Req:    "r1",
		Parent: "r0",
		Reqs: []Requirement{
			{Name: "boards", Need: 2, Candidates: []string{"b 1", "b/2"}, Tags: map[string]string{"kind": "nrf"}, Shared: true, Seats: 3},
			{Count: 10_000, Hash: "abc"},
		},
		Chosen:   []Chosen{{Key: "b 1", Req: 1, Tags: map[string]string{"rack": "7"}, Fence: 1<<63 + 1}},
		WaitedMS: MS(time.Second), HeldMS: MS(2 * time.Second), KeptMS: MS(3 * time.Second), PrepareMS: MS(4 * time.Second), RestoreMS: MS(5 * time.Second),
		Polls: 4, QueuePos: 5, Since: t.Add(-time.Second), Priority: -6, LeaseMS: MS(30 * time.Second), ExpectMS: MS(time.Minute), Backfilled: true, Deadline: t.Add(time.Minute),
		Policy: "skip", Store: "redis", Outcome: Acquired, Verdict: VerdictFailed, Refusal: RefusedTimeout, Error: "no <luck> & more",
		Blockers: []Blocker{{Key: "b/2", Req: "r9", Run: "ci-811", URL: "https://ci/811", Pkg: "example.com/lab", Test: "TestSoak",
			Host: "lab-2", PID: 12, User: "ann@bench", State: "kept", Since: t, Expires: t.Add(time.Hour)}},
		BlockersMore: 8, Dropped: 9, Action: "disable", User: "ann@bench", Reason: "smoke", Until: t.Add(2 * time.Hour),
	}
}

func TestDecodeReadsEveryField(t *testing.T) {
	want := full()
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "At" && name != "Unplaced" && name != "Line" && v.Field(i).IsZero() {
			t.Fatalf("full leaves %s empty", name)
		}
	}
	var d decoder
	var got Event
	if err := d.decode(encode(&want), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestFieldNamesAreTheFormat(t *testing.T) {
	e := full()
	const want = `{"v":1,"ev":"grant","seq":7,"ts":"2026-03-01T12:00:00.123456Z","srv":"2026-03-01T12:00:01.123456Z","mono_ms":1500.25,` +
		`"run":{"id":"ci-812","attempt":2,"ci":"github","job":"test","url":"https://ci/812","shard":"3"},"host":"lab-1","pid":4711,` +
		`"test":{"pkg":"example.com/lab","name":"TestPair/\"quoted\" \\ ünïcode\n","attempt":2,"file":"a_test.go","line":12,"runner":"ginkgo"},` +
		`"req":"r1","parent":"r0","reqs":[{"name":"boards","need":2,"candidates":["b 1","b/2"],"tags":{"kind":"nrf"},"shared":true,"seats":3},` +
		`{"count":10000,"hash":"abc"}],"chosen":[{"key":"b 1","req":1,"tags":{"rack":"7"},"fence":9223372036854775809}],` +
		`"waited_ms":1000,"held_ms":2000,"kept_ms":3000,"prepare_ms":4000,"restore_ms":5000,"polls":4,"queue_pos":5,"since":"2026-03-01T11:59:59.123456Z","priority":-6,"lease_ms":30000,"expect_ms":60000,` +
		`"deadline":"2026-03-01T12:01:00.123456Z","policy":"skip","store":"redis","outcome":"acquired","verdict":"failed","cause":"timeout","error":"no \u003cluck\u003e \u0026 more",` +
		`"backfilled":true,"blockers":[{"key":"b/2","req":"r9","run":"ci-811","url":"https://ci/811","pkg":"example.com/lab","test":"TestSoak","host":"lab-2",` +
		`"pid":12,"user":"ann@bench","state":"kept","since":"2026-03-01T12:00:00.123456Z","expires":"2026-03-01T13:00:00.123456Z"}],"blockers_more":8,"action":"disable","user":"ann@bench","reason":"smoke","until":"2026-03-01T14:00:00.123456Z","dropped":9}` + "\n"
	if got := string(encode(&e)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	empty := Event{V: 1, Ev: Run, Seq: 1}
	if got, want := string(encode(&empty)), `{"v":1,"ev":"run","seq":1,"ts":"0001-01-01T00:00:00Z","mono_ms":0}`+"\n"; got != want {
		t.Errorf("empty fields are written:\n%s", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for line, want := range map[string]string{
		`[]`:                                      "not a JSON object",
		`{}`:                                      "no event",
		`null`:                                    "no event",
		`{"ev":"grant"`:                           "not a JSON object",
		`{"ev":"grant"}x`:                         "not a JSON object",
		`{"ev":"grant",}`:                         "not a JSON object",
		`{"ev":"gr` + "\x01" + `"}`:               "not a JSON object",
		`{"ev":"grant","pid":"x"}`:                "a number expected",
		`{"ev":"grant","pid":1.5}`:                "invalid syntax",
		`{"ev":"grant","pid":01}`:                 "not a JSON object",
		`{"ev":"grant","ts":"yesterday"}`:         "parsing time",
		`{"ev":"grant","later":{"a":[1,]}}`:       "not a JSON object",
		`{"v":2,"ev":"grant","pid":{"new":1}}`:    "newer version",
		`{"v":2,"ev":"grant"}`:                    "newer version",
		`{"ev":"grant","reqs":[{"need":"many"}]}`: "a number expected",
	} {
		var d decoder
		var e Event
		if err := d.decode([]byte(line), &e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; want %q", line, err, want)
		}
	}
}

func TestDecodeIgnoresUnknownFields(t *testing.T) {
	var d decoder
	var e Event
	line := ` { "ev" : "grant" , "later" : { "a" : [ 1 , "x\"\\" , null , true , -1.5e3 ] } , "req" : "r1" , "waited_ms" : 1.5e3, "pid": null } `
	if err := d.decode([]byte(line), &e); err != nil {
		t.Fatal(err)
	}
	if e.Req != "r1" || e.WaitedMS != MS(1500*time.Millisecond) {
		t.Errorf("got %+v", e)
	}
}

func TestMilliseconds(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "1": time.Millisecond, "0.25": 250 * time.Microsecond, "-3": -3 * time.Millisecond, "1e3": time.Second,
		"1e300": maxMS * time.Millisecond, "-1e300": -maxMS * time.Millisecond, "99999999999999999": maxMS * time.Millisecond,
	} {
		var m MS
		if err := json.Unmarshal([]byte(in), &m); err != nil || m.Duration() != want {
			t.Errorf("%s: %v, %v; want %v", in, m.Duration(), err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := MS(time.Duration(rapid.Int64Range(-1<<52, 1<<52).Draw(t, "us")) * time.Microsecond)
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got MS
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Fatalf("%v became %s, then %v, %v", want, b, got, err)
		}
	})
}

// plainNames: encoding/json also takes names that differ in case.
var plainNames = regexp.MustCompile(`^[a-z_]*$`)

func FuzzDecode(f *testing.F) {
	e := full()
	f.Add(encode(&e))
	f.Add([]byte(`{"ev":"x","v":9e9,"reqs":null,"test":{"name":"\ud800"},"a":[[]]}`))
	f.Add([]byte(`{"ev":"é","tags":{},"chosen":[{"tags":{"a":null}}],"mono_ms":1e99}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var d decoder
		var got Event
		if d.decode(line, &got) != nil {
			return
		}
		if !json.Valid(line) {
			t.Fatalf("decoded what is no JSON: %q", line)
		}
		// A tree in between drops doubled names, of which encoding/json merges values.
		var tree any
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.UseNumber()
		if dec.Decode(&tree) != nil || !plain(tree) {
			return
		}
		line, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		var want Event
		errWant := json.Unmarshal(line, &want)
		errGot := d.decode(line, &got)
		if errWant != nil && errGot == nil {
			t.Fatalf("decoded what encoding/json refuses (%v): %q", errWant, line)
		}
		if errGot == nil && !bytes.Equal(encode(&got), encode(&want)) {
			t.Fatalf("decoded   %s\nreference %s\nline %q", encode(&got), encode(&want), line)
		}
	})
}

func plain(tree any) bool {
	switch v := tree.(type) {
	case map[string]any:
		for k, x := range v {
			if !plainNames.MatchString(k) || !plain(x) {
				return false
			}
		}
	case []any:
		for _, x := range v {
			if !plain(x) {
				return false
			}
		}
	}
	return true
}

func BenchmarkDecode(b *testing.B) {
	e := full()
	line := encode(&e)
	var d decoder
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.decode(line, &e); err != nil {
			b.Fatal(err)
		}
	}
}
