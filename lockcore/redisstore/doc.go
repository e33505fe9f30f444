// Package redisstore keeps leases in Redis or Valkey, for many machines that
// share one lab. Start at [Open], or at [New] with a client of your own.
package redisstore
