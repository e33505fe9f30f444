package live

import "net/http"

// An Access says who may act, and how they are known.
type Access struct{}

type permissions struct{}

func newPermissions(*Server, *Access) (*permissions, error) { return &permissions{}, nil }

func (p *permissions) close()                                           {}
func (p *permissions) routes(*http.ServeMux)                            {}
func (p *permissions) frame(*page, *http.Request)                       {}
func (p *permissions) knowsNobody(*http.Request) bool                   { return true }
func (p *permissions) forms(*page, *http.Request, string, *row, *state) {}
func (p *permissions) withdrawForm(*page, *http.Request, *Waiting)      {}

type form struct{ Do, Key, Holder, Title, Help, Button, CSRF string }
