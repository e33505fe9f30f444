//go:build !linux && !darwin

package filestore

import (
	"context"
	"errors"
)

func (a *agent) floor(context.Context, *order, *reply) error { return errors.ErrUnsupported }

func makeRing(string, int) (func(int) []string, error) { return nil, errors.ErrUnsupported }

func usage() [2]int64 { return [2]int64{} }
