package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Check looks for settings of the server that could cost leases, and returns a
// line for people about each: what is wrong and what to do. None means that none
// was found. The error means that the server could not be asked.
func (s *Store) Check(ctx context.Context) (warnings []string, err error) {
	node, err := s.node(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	memory, err := infoOfServer(ctx, node, "memory")
	if err != nil {
		return nil, s.explain(err)
	}
	policy, limited := memory["maxmemory_policy"], memory["maxmemory"] != "" && memory["maxmemory"] != "0"
	switch {
	case limited && strings.HasPrefix(policy, "allkeys-"):
		warnings = append(warnings, fmt.Sprintf("%s: maxmemory-policy is %s: once %s bytes are full, the server throws away leases. Set it to noeviction", s.where, policy, memory["maxmemory"]))
	case limited && s.opts.Interop != "" && strings.HasPrefix(policy, "volatile-"):
		warnings = append(warnings, fmt.Sprintf("%s: maxmemory-policy is %s: once %s bytes are full, the server throws away the locks that other programs see. Set it to noeviction", s.where, policy, memory["maxmemory"]))
	}
	if s.opts.MinReplicas > 0 {
		replication, err := infoOfServer(ctx, node, "replication")
		if err != nil {
			return nil, s.explain(err)
		}
		if n, _ := strconv.Atoi(replication["connected_slaves"]); n < s.opts.MinReplicas {
			warnings = append(warnings, fmt.Sprintf("%s: it has %d replicas, and min_replicas=%d: nothing can be acquired", s.where, n, s.opts.MinReplicas))
		}
	}
	return warnings, nil
}

func infoOfServer(ctx context.Context, c redis.Cmdable, section string) (map[string]string, error) {
	reply, err := c.Info(ctx, section).Result()
	if err != nil {
		return nil, err
	}
	fields := make(map[string]string)
	for line := range strings.Lines(reply) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[k] = v
		}
	}
	return fields, nil
}
