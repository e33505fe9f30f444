package live

import (
	"net/http"
	"time"
)

// A History is what the events of the last week tell.
type History struct{}

func (h *History) close() {}

func (h *History) resource(*page, string, *time.Location) {}

func (s *Server) historyPage(w http.ResponseWriter, r *http.Request) {}
