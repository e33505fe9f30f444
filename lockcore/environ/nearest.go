package environ

// Nearest is the one of the known words that a mistyped word is most like: up to
// two letters wrong, missing or too many, or two neighbours exchanged. It is empty
// if none is that near; of two equally near ones it is the first in the alphabet.
func Nearest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := edits(word, k); d < distance || d == distance && best != "" && k < best {
			best, distance = k, d
		}
	}
	return best
}

// edits is the Levenshtein distance. An exchange of neighbours counts two.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
