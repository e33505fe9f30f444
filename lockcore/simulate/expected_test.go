package simulate

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestForecastsOfKnownHolds: where every hold is said exactly and nobody is let past
// anybody, the expected starts are the real ones, of jobs before which nobody comes.
func TestForecastsOfKnownHolds(t *testing.T) {
	w := Workloads()[0]
	jobs := w.Jobs(5, 300, 1.2, 1)
	for i := range jobs {
		jobs[i].Expect = jobs[i].Hold
	}
	notes, err := Forecasts(jobs, lockcore.FIFO, 1, 1)
	require.NoError(t, err)
	require.Greater(t, len(notes), 100)
	for _, f := range notes {
		if jobs[f.Job].Priority == 0 {
			assert.True(t, f.Known)
			assert.InDelta(t, f.Waited.Seconds(), f.Wait.Seconds(), 0.01, "job %d", f.Job)
		}
	}
	plain, err := Run(jobs, lockcore.FIFO, 1)
	require.NoError(t, err)
	for _, f := range notes {
		assert.Equal(t, plain[f.Job].Waited, f.Waited, "forecasts change the run")
	}
}

func TestErrorsOf(t *testing.T) {
	var notes []Forecast
	for i := range 10 {
		notes = append(notes, Forecast{Known: true, Wait: time.Duration(i+1) * time.Minute, Waited: 10 * time.Minute})
	}
	notes = append(notes, make([]Forecast, 10)...)
	told, median, p90 := errorsOf(notes)
	assert.Equal(t, "0.5 0.5 0.9", fmt.Sprintf("%.1f %.1f %.1f", told, median, p90))
}
