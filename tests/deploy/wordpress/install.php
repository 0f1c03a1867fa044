<?php
// Installs WordPress without its web forms, with one post, and activates the plugin. Arguments: folder, plugin.
$folder = $argv[1];
$_SERVER += ['HTTP_HOST' => '127.0.0.1', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'GET'];
define('WP_INSTALLING', true);
require "$folder/wp-load.php";
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
add_filter('pre_wp_mail', '__return_true');
wp_install('The Herald', 'editor', 'editor@news.example', true, '', 'secret');
update_option('comment_previously_approved', '0'); // a new reader's first comment needs no approval
update_option('comments_notify', '0');
update_option('moderation_notify', '0');
$failed = activate_plugin($argv[2]);
if (is_wp_error($failed)) {
    echo $failed->get_error_message();
    exit(1);
}
$post = wp_insert_post([
    'post_title' => 'Council votes to close Old Mill Bridge to cars',
    'post_content' => 'From Monday only buses, bicycles and people on foot may cross it.',
    'post_status' => 'publish',
    'comment_status' => 'open',
]);
echo "\npost $post\n";
