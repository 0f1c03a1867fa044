<?php
// Runs the plugin against a server, with the few WordPress functions that it calls. Arguments: plugin, URL, key.
// Prints one JSON line per case: the comment's new status, and what is stored with it.
[, $plugin, $url, $key] = $argv;
define('ABSPATH', '/');
define('PARLEY_URL', $url);
define('PARLEY_KEY', $key);
define('PARLEY_POLICY', 'strict');

class WP_Error { public function get_error_message() { return 'no answer'; } }
$hooks = $meta = [];
function add_filter($hook, $function) { global $hooks; $hooks[$hook] = $function; }
function add_action($hook, $function) { add_filter($hook, $function); }
function get_post($id) { return $id === 7 ? (object) ['ID' => 7, 'post_title' => 'Council closes the <b>bridge</b>', 'post_content' => '<p>On Monday. [gallery]</p>'] : null; }
function get_permalink($post) { return 'https://news.example/bridge'; }
function get_comment($id) { return (object) ['comment_ID' => $id, 'comment_content' => 'Nobody asked.']; }
function strip_shortcodes($text) { return preg_replace('/\[[^\]]*\]/', '', $text); }
function wp_strip_all_tags($text) { return strip_tags($text); }
function wp_json_encode($value) { return json_encode($value); }
function wp_slash($value) { return addslashes($value); }
function wp_unslash($value) { return stripslashes($value); }
function user_can($user, $what) { return $user === 1; }
function is_wp_error($answer) { return $answer instanceof WP_Error; }
function add_comment_meta($id, $key, $value) { global $meta; $meta[$key] = $value; }
function wp_remote_retrieve_response_code($answer) { return $answer['status']; }
function wp_remote_retrieve_body($answer) { return $answer['body']; }
function wp_remote_post($url, $given) {
    $headers = '';
    foreach ($given['headers'] as $name => $value) { $headers .= "$name: $value\r\n"; }
    $context = stream_context_create(['http' => ['method' => 'POST', 'header' => $headers, 'content' => $given['body'], 'timeout' => 30, 'ignore_errors' => true]]);
    $body = @file_get_contents($url, false, $context);
    if ($body === false) { return new WP_Error(); }
    return ['status' => (int) explode(' ', $http_response_header[0])[1], 'body' => $body];
}

ini_set('error_log', '/dev/null');
require $plugin;
$clean = ['comment_content' => 'Thank you.', 'comment_post_ID' => 7, 'comment_parent' => 3, 'user_id' => 0];
$capitals = ['comment_content' => 'THIS IS A DISGRACE AND EVERYONE IN THIS TOWN KNOWS IT VERY WELL'] + $clean;
foreach ([
    [1, $clean], [1, $capitals], [0, $clean], ['spam', $clean], [1, ['user_id' => 1] + $capitals],
    [1, ['comment_content' => "\xff bytes"] + $clean], [1, ['comment_content' => ' '] + $clean],
] as [$approved, $comment]) {
    $meta = [];
    $becomes = parley_decide($approved, $comment);
    parley_note(5);
    echo json_encode(['becomes' => $becomes, 'meta' => (object) $meta]), "\n";
}
echo json_encode(['request' => parley_request($clean), 'hooks' => array_keys($hooks)]), "\n";
