// Package redisreport keeps running sums of lock use in Redis, by tag: how often
// resources with the tag model=k64f were asked for, obtained and given back, and
// how long that took. Many runs on many machines add to the same sums, so after a
// month they say which kind of resource is short.
//
// Start with [New] to count and with [Query] to read. The data is that of the
// Python package resource_locker 1.0 and both sides read what the other wrote:
//
//	_TAGS            set of tag names, as they were given
//	_TAG_<tag>       set of the values seen with the tag
//	<tag>__<value>   hash of [Aspect] to its sum
//
// Tags and values in key names are sanitised: trimmed, lower case, with ".", ":"
// and "_" turned into "-". The Python Query reads database 1 of a Redis on
// localhost, so give New a client of that database where the two are to meet.
//
// What is counted, once for a request and key however often the request was
// retried:
//
//	lock_request_count       requests that listed the key as a candidate
//	lock_acquire_count       requests that obtained it
//	lock_acquire_fail_count  requests that ended without anything
//	lock_acquire_wait        seconds waited, added for each key obtained
//	lock_release_count       keys given back
//	lock_release_wait        seconds held
//
// A request for two keys that waited 10 s adds 10 s to both, as in the original:
// wait divided by count is the mean wait for such a resource, but the sum over
// keys is not the time lost. Package report answers that, from events.
//
// Nothing here blocks or fails a test: counting is an addition in memory, one
// goroutine writes batches, and what Redis does not take is counted in
// [Reporter.Dropped]. Sums can be short after a fault, and a batch whose reply was
// lost may be counted twice if the client is one that retries.
package redisreport
