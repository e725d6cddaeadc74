// Command catalog lists what is sold. It reads the port from PORT, as many
// programs do, and knows of nothing else.
package main

import (
	"cmp"
	"encoding/json"
	"log"
	"net/http"
	"os"
)

const greeting = "hello"

func main() {
	http.HandleFunc("GET /catalog", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"greeting": greeting, "albums": []string{"Blue Train", "Giant Steps"}}); err != nil {
			log.Print(err)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "8080"), nil))
}
