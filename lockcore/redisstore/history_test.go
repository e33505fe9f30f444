package redisstore_test

func historyRole() error { return nil }
