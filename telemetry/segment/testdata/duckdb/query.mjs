// Prints what DuckDB answers to each query of its arguments: rows as JSON, a
// line a query.
import { DuckDBInstance } from '@duckdb/node-api'

const connection = await (await DuckDBInstance.create(':memory:')).connect()
for (const query of process.argv.slice(2)) {
  const reader = await connection.runAndReadAll(query)
  console.log(JSON.stringify(reader.getRowObjectsJson()))
}
