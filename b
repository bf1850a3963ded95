media-0 3
media-1 2
recordings 1
sqlx-sqlite-wor 32
tokio-rt-worker 49
tutti 35
