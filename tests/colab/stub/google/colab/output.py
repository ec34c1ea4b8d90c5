def enable_custom_widget_manager():
    pass


def disable_custom_widget_manager():
    pass


def register_callback(name, callback):
    pass
