package eventlog

// The fields of an event and of its parts, by their names in a line.
//
// A name that is not listed is skipped: a version that adds a field does not count up, and
// older programs read its events. A field that is added to a struct has to be added here, too;
// a test compares what is read with what encoding/json reads.
//
// Values that come again and again are read by text, and so are in memory once. Identities of
// requests, and what people write, are read by unique: each comes in a few events, and
// remembering it would push out the others.

func (d *decoder) event(key []byte, e *Event) (err error) {
	switch string(key) {
	case "v":
		e.V, err = d.int()
	case "ev":
		err = text(d, &e.Ev)
	case "seq":
		e.Seq, err = d.uint()
	case "ts":
		e.TS, err = d.time()
	case "srv":
		e.Srv, err = d.time()
	case "mono_ms":
		e.MonoMS, err = d.ms()
	case "run":
		err = d.object(func(key []byte) error { return d.run(key, &e.Run) })
	case "host":
		err = text(d, &e.Host)
	case "pid":
		e.PID, err = d.int()
	case "test":
		err = d.object(func(key []byte) error { return d.test(key, &e.Test) })
	case "req":
		e.Req, err = d.unique()
	case "parent":
		e.Parent, err = d.unique()
	case "reqs":
		e.Reqs, err = d.requirements()
	case "chosen":
		e.Chosen, err = array(d, d.chosen)
	case "blockers":
		e.Blockers, err = array(d, d.blocker)
	default:
		err = d.measure(key, e)
	}
	return err
}

// measure reads the other half of the fields of an event.
func (d *decoder) measure(key []byte, e *Event) (err error) {
	switch string(key) {
	case "waited_ms":
		e.WaitedMS, err = d.ms()
	case "held_ms":
		e.HeldMS, err = d.ms()
	case "prepare_ms":
		e.PrepareMS, err = d.ms()
	case "restore_ms":
		e.RestoreMS, err = d.ms()
	case "kept_ms":
		e.KeptMS, err = d.ms()
	case "lease_ms":
		e.LeaseMS, err = d.ms()
	case "expect_ms":
		e.ExpectMS, err = d.ms()
	case "backfilled":
		e.Backfilled, err = d.bool()
	case "polls":
		e.Polls, err = d.int()
	case "queue_pos":
		e.QueuePos, err = d.int()
	case "since":
		e.Since, err = d.time()
	case "priority":
		e.Priority, err = d.int()
	case "deadline":
		e.Deadline, err = d.time()
	case "policy":
		err = text(d, &e.Policy)
	case "store":
		err = text(d, &e.Store)
	case "outcome":
		err = text(d, &e.Outcome)
	case "cause":
		err = text(d, &e.Refusal) // package report calls Cause what a wait was spent on
	case "verdict":
		err = text(d, &e.Verdict)
	case "error":
		err = text(d, &e.Error)
	case "blockers_more":
		e.BlockersMore, err = d.int()
	case "action":
		e.Action, err = d.unique()
	case "user":
		e.User, err = d.unique()
	case "reason":
		e.Reason, err = d.unique()
	case "until":
		e.Until, err = d.time()
	case "dropped":
		e.Dropped, err = d.uint()
	default:
		_, err = d.skip()
	}
	return err
}

func (d *decoder) run(key []byte, r *RunInfo) (err error) {
	switch string(key) {
	case "id":
		err = text(d, &r.ID)
	case "attempt":
		r.Attempt, err = d.int()
	case "ci":
		err = text(d, &r.CI)
	case "job":
		err = text(d, &r.Job)
	case "url":
		err = text(d, &r.URL)
	case "shard":
		err = text(d, &r.Shard)
	default:
		_, err = d.skip()
	}
	return err
}

func (d *decoder) test(key []byte, t *TestInfo) (err error) {
	switch string(key) {
	case "pkg":
		err = text(d, &t.Pkg)
	case "name":
		err = text(d, &t.Name)
	case "attempt":
		t.Attempt, err = d.int()
	case "file":
		err = text(d, &t.File)
	case "line":
		t.Line, err = d.int()
	case "runner":
		err = text(d, &t.Runner)
	default:
		_, err = d.skip()
	}
	return err
}

func (d *decoder) chosen(key []byte, c *Chosen) (err error) {
	switch string(key) {
	case "key":
		err = text(d, &c.Key)
	case "req":
		c.Req, err = d.int()
	case "tags":
		c.Tags, err = d.tags()
	case "fence":
		c.Fence, err = d.uint()
	default:
		_, err = d.skip()
	}
	return err
}

func (d *decoder) requirement(key []byte, r *Requirement) (err error) {
	switch string(key) {
	case "name":
		err = text(d, &r.Name)
	case "need":
		r.Need, err = d.int()
	case "candidates":
		r.Candidates, err = d.texts()
	case "count":
		r.Count, err = d.int()
	case "hash":
		err = text(d, &r.Hash)
	case "tags":
		r.Tags, err = d.tags()
	case "shared":
		r.Shared, err = d.bool()
	case "seats":
		r.Seats, err = d.int()
	default:
		_, err = d.skip()
	}
	return err
}

func (d *decoder) blocker(key []byte, b *Blocker) (err error) {
	switch string(key) {
	case "key":
		err = text(d, &b.Key)
	case "req":
		b.Req, err = d.unique()
	case "run":
		err = text(d, &b.Run)
	case "url":
		err = text(d, &b.URL)
	case "pkg":
		err = text(d, &b.Pkg)
	case "test":
		err = text(d, &b.Test)
	case "host":
		err = text(d, &b.Host)
	case "pid":
		b.PID, err = d.int()
	case "user":
		err = text(d, &b.User)
	case "state":
		err = text(d, &b.State)
	case "since":
		b.Since, err = d.time()
	case "expires":
		b.Expires, err = d.time()
	default:
		_, err = d.skip()
	}
	return err
}
