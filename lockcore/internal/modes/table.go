package modes

// A Row is the rule for one case: what stands beside Held when Asked is asked
// for.
type Row struct {
	Held     []Mode // one entry a unit
	Asked    Mode
	Free     int  // units that can be taken in Asked
	Joinable bool // of Held, whatever is asked for
}

// Table is the rule spelled out, for comparison with what says the same in
// another language. Up to three units are held, in every order; two numbers of
// seats show that the lowest counts whoever believes in it.
//
// Holders that the rule does not let together are left out: no store ever has
// them.
func Table() []Row {
	all := []Mode{{}, {Shared: true}, {Seats: 1}, {Seats: 2}, {Seats: 3}}
	var rows []Row
	var add func(held []Mode, u Units)
	add = func(held []Mode, u Units) {
		for _, m := range all {
			rows = append(rows, Row{held, m, u.Free(m), u.Joinable()})
		}
		if len(held) == 3 {
			return
		}
		for _, m := range all {
			if u.Free(m) > 0 {
				more := u
				more.Add(m)
				add(append(held[:len(held):len(held)], m), more)
			}
		}
	}
	add(nil, Units{})
	return rows
}
