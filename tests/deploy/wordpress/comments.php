<?php
// Prints one JSON line per comment on the post: its text, its status in WordPress, and what the plugin stored with it.
$folder = $argv[1];
$_SERVER += ['HTTP_HOST' => '127.0.0.1', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'GET'];
require "$folder/wp-load.php";
foreach (get_comments(['post_id' => (int) $argv[2], 'status' => 'any', 'order' => 'ASC', 'orderby' => 'comment_ID']) as $comment) {
    echo json_encode([
        'text' => $comment->comment_content,
        'status' => wp_get_comment_status($comment),
        'action' => get_comment_meta((int) $comment->comment_ID, 'parley_action', true),
        'reasons' => get_comment_meta((int) $comment->comment_ID, 'parley_reasons', true),
    ]), "\n";
}
