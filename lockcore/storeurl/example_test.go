package storeurl_test

import (
	"context"
	"fmt"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

func ExampleOpen() {
	store, err := storeurl.Open(context.Background(), "mem:?namespace=example")
	if err != nil {
		fmt.Println(err)
		return
	}
	locker := lockcore.New(store, nil)
	defer locker.Close()
	fmt.Println(store)

	_, err = storeurl.Open(context.Background(), "mem:?wait=1m")
	fmt.Println(err)
	// Output:
	// mem: (namespace example)
	// storeurl: mem: does not know the parameter "wait"; it knows lock_delay, namespace, policy
}
