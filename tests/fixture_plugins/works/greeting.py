"""A verb of a plugin."""


def configure(parser):
    parser.add_argument("name")


def greet(arguments, registry):
    print(f"Hello {arguments.name}, there are {len(registry.all('encoder'))} encoders")
    return 0
